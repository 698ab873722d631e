#!/usr/bin/env python3
"""Writes users.csv: 400 invented users of the mixture below, a twelfth of all values missing.

Usage: python3 make_users.py > users.csv
"""

import random

# Weight; p(interest); p(gender = f); mean and standard deviation of age; p(site visited).
INTERESTS = ["music", "science", "sport"]
SITES = ["arxiv", "football", "pubmed", "radio"]
CLASSES = [
    (0.30, [0.10, 0.85, 0.05], 0.50, 41.0, 9.0, [0.70, 0.05, 0.80, 0.20]),
    (0.45, [0.20, 0.05, 0.75], 0.35, 29.0, 7.0, [0.05, 0.85, 0.05, 0.30]),
    (0.25, [0.80, 0.10, 0.10], 0.65, 23.0, 4.0, [0.15, 0.15, 0.05, 0.90]),
]
MISSING = 1 / 12


def pick(generator, weights):
    return generator.choices(range(len(weights)), weights)[0]


def main():
    generator = random.Random(20)
    print("# Invented: see make_users.py. `?` is a missing value, `none` no site at all.")
    print("interest,gender,age,site")
    for _ in range(400):
        _, interest, female, mean, deviation, sites = CLASSES[pick(generator, [c[0] for c in CLASSES])]
        visited = [name for name, p in zip(SITES, sites) if generator.random() < p]
        fields = [
            INTERESTS[pick(generator, interest)],
            "f" if generator.random() < female else "m",
            str(max(12, round(generator.gauss(mean, deviation)))),
            ";".join(visited) or "none",
        ]
        print(",".join("?" if generator.random() < MISSING else field for field in fields))


if __name__ == "__main__":
    main()
