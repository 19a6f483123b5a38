"""From ModelInput to Prediction."""
