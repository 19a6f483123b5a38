"""The whole way of a radiograph, shown on one machine."""
