"""The node under faults, load and hostile input, in the long form. `python -m benchmarks.faults --help`."""
