-- Inventory's database: what lies where, and every movement.

CREATE TABLE items (
    id         integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    sku        text NOT NULL UNIQUE,
    name       text NOT NULL,
    location   text NOT NULL,
    quantity   integer NOT NULL CHECK (quantity >= 0),
    reorder_at integer NOT NULL DEFAULT 10
);

CREATE TABLE movements (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    item_id integer NOT NULL REFERENCES items,
    delta   integer NOT NULL,
    reason  text NOT NULL DEFAULT '',
    at      timestamptz NOT NULL DEFAULT now()
);

INSERT INTO items (sku, name, location, quantity, reorder_at) VALUES
    ('BLT-0810', 'Hex bolt M8 x 10, zinc',      'A-01-3', 4200, 1000),
    ('BLT-1240', 'Hex bolt M12 x 40, zinc',     'A-01-4', 1850,  500),
    ('NUT-0800', 'Hex nut M8, zinc',            'A-02-1', 5100, 1000),
    ('WSH-0800', 'Washer 8 mm',                 'A-02-2',  640,  800),
    ('BRG-6204', 'Ball bearing 6204-2RS',       'B-04-1',  128,   40),
    ('BLT-V510', 'V-belt 10 x 510',             'B-05-2',   36,   20),
    ('PMP-0025', 'Coolant pump, 25 l/min',      'C-01-1',    7,    5),
    ('MTR-0750', 'Three-phase motor 0.75 kW',   'C-02-1',    4,    6),
    ('CBL-3G15', 'Cable 3G1.5, 100 m ring',     'D-01-1',   52,   15),
    ('SNS-0118', 'Proximity sensor M18, PNP',   'D-03-2',   91,   25),
    ('GLV-0009', 'Work gloves, size 9, pair',   'E-01-1',  310,  100),
    ('PAL-EUR1', 'Euro pallet',                 'F-00-0',  175,   60);
