#!/usr/bin/prefork-interp -U,/usr/bin/python3
import json
import sys

import linx_prefork

with open("prices.json") as file:
    prices = json.load(file)
linx_prefork.also_check("prices.json")
linx_prefork.initialisation_complete(max_servers=8, idle_timeout=600)

for item in sys.argv[1:]:
    print(item, prices[item])
