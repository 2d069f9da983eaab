"""Speed and memory, always as ratios taken side by side in one run; ``make bench`` runs it."""
