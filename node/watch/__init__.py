"""What happens in the node, counted; and who is told: the page, Prometheus, a webhook, a mailbox."""
