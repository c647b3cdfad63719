"""Faults planted one at a time: does anything see them?"""
