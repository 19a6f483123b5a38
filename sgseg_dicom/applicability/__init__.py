"""May the model judge this image?"""
