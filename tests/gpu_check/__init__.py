"""Tests of the speed benchmark."""
