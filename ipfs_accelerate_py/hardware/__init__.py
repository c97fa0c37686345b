"""What this machine can run models on, and profiles of what is wanted (pipeline.runtime)."""

from pipeline.runtime.hardware import HardwareDetector as HardwareDetector
from pipeline.runtime.hardware import HardwareProfile as HardwareProfile
