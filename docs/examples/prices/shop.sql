CREATE TABLE price (
    id INTEGER PRIMARY KEY, -- of the last one that was deleted it is given again
    sku TEXT NOT NULL, list TEXT NOT NULL, qty_from INTEGER NOT NULL, valid_from DATE NOT NULL, valid_to DATE,
    amount TEXT NOT NULL, currency TEXT NOT NULL, UNIQUE (sku, list, qty_from, valid_from)
);
-- One that somebody typed in before: it is found by its key, and corrected.
INSERT INTO price (sku, list, qty_from, valid_from, amount, currency)
VALUES ('4711', 'dealers', 1, '2020-01-01', '19.00', 'EUR');
