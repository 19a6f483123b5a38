"""What a release of weights consists of on disk. No torch comes with it: the node may run without."""
