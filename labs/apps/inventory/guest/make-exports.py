"""Writes what three years of exports have left behind: a stock list a night, and a journal of every movement that is
longer than the volume can hold."""

import csv
import pathlib
import random
import sys
from datetime import date, datetime, timedelta

LAST_NIGHT = date(2026, 11, 22)
NIGHTS = 1040
ROWS = 11_500
MOVEMENTS = 1_400_000
KINDS = ["Hex bolt", "Hex nut", "Washer", "Ball bearing", "V-belt", "Pump", "Motor", "Cable", "Sensor", "Gasket"]


def main(folder):
    # Seeded, so that the same sources give the same disk.
    chance = random.Random(7)
    stock = [
        [f"{kind[:3].upper()}-{number:05d}", f"{kind} no. {number}", f"{chance.choice('ABCDEF')}-{number % 99:02d}", 0]
        for number in range(ROWS)
        for kind in [chance.choice(KINDS)]
    ]
    for row in stock:
        row[3] = chance.randrange(5000)
    for age in reversed(range(NIGHTS)):
        for row in chance.sample(stock, 200):
            row[3] = max(0, row[3] + chance.randrange(-60, 60))
        night = LAST_NIGHT - timedelta(days=age)
        with open(folder / f"stock-{night.isoformat()}.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["sku", "name", "location", "quantity"])
            writer.writerows(stock)
    start = datetime(2023, 9, 30, 6)
    step = (datetime(2026, 11, 22, 22) - start) / MOVEMENTS
    with open(folder / "movements.csv", "w") as file:
        for number in range(MOVEMENTS):
            row = stock[number * 7919 % ROWS]
            at = (start + number * step).strftime("%Y-%m-%dT%H:%M:%S+00:00")
            file.write(f'{at},{row[0]},{number % 80 - 40},{row[3]},"web"\n')


main(pathlib.Path(sys.argv[1]))
