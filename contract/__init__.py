"""What every process of dubq agrees on: pure values and rules, standard library only."""
