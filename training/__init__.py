"""The reproduction: from QaTa-COV19 to the weights that the node loads."""
