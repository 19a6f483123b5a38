"""ModelInput -> Prediction."""
