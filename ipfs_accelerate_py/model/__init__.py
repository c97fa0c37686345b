"""Models on the best hardware there is (pipeline.runtime)."""

from pipeline.runtime.accelerator import ModelAccelerator as ModelAccelerator
from pipeline.runtime.accelerator import ModelManager as ModelManager
from pipeline.runtime.accelerator import ModelWrapper as ModelWrapper
