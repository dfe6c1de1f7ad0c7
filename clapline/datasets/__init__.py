"""The registry: one folder per kind of dataset.

A kind is a package `clapline/datasets/<kind>/` with four names:

- `CARD`: a `Card`, the facts of the dataset;
- `Options`: a `Section`, what `datasets.<name>` of params.yaml may say beside `kind`;
- `fetch(options, raw, machine)`: put the recordings and metadata as published into the folder `raw`;
- `read(options, raw)`: yield `RawClip`s and `BadItem`s from that folder, in a fixed order.

A kind is a folder and not a single module, so that it can be DVC's one dependency of the kind's download and prepare.
"""
