"""Trainings as processes of their own, and what their run folders say."""
