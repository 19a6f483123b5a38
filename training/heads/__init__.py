"""Train what is read from the frozen features besides zones and mask: lungs, look and image-level judgement."""
