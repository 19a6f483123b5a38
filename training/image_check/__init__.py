"""Train and measure the image check."""
