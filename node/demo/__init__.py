"""The whole way on loopback."""
