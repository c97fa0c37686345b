"""What the stages do: one file per stage, named as the stage; each writes its own output."""
