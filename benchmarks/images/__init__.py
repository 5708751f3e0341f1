"""Measurements on X-rays and MRI."""
