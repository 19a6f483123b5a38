"""SGSeg (paper section 2): language-guided U-Net, self-guided by LERG. Start with sgseg.py."""
