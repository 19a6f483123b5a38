"""The durable queue, and what is done with a job."""
