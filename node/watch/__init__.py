"""What happens in the node, counted; and who gets it: the page, Prometheus, a webhook, a mailbox."""
