"""The zoo: real models that registry packages carry, each at fp32, fp16 and int8."""
