"""Layers whose weights are not the parameters themselves: scaled, modulated, divided by their norm."""
