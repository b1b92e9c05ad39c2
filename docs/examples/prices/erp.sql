-- Price conditions: a rate for so many pieces, from a quantity on, for a time.
CREATE TABLE condition (
    material TEXT, sales_org TEXT, qty_from INTEGER, valid_from DATE, valid_to DATE NOT NULL,
    rate TEXT NOT NULL, per INTEGER NOT NULL, unit TEXT NOT NULL, kind TEXT NOT NULL,
    PRIMARY KEY (material, sales_org, qty_from, valid_from)
);
INSERT INTO condition VALUES
    ('000000000000004711', '1000', 1, '2020-01-01', '9999-12-31', '19.90', 1, 'EUR', 'PR00'),
    ('000000000000004711', '1000', 100, '2020-01-01', '9999-12-31', '1790.00', 100, 'EUR', 'PR00'),
    ('000000000000004711', '2000', 1, '2020-01-01', '9999-12-31', '24.00', 1, 'CHF', 'PR00'),
    ('000000000000000815', '1000', 1, '2020-01-01', '9999-12-31', '100.00', 1000, 'EUR', 'PR00'),
    ('000000000000000815', '1000', 1, '2010-01-01', '2019-12-31', '90.00', 1000, 'EUR', 'PR00'),
    ('000000000000000815', '1000', 1, '2999-01-01', '9999-12-31', '120.00', 1000, 'EUR', 'PR00'),
    ('000000000000000815', '1000', 1, '2020-06-01', '9999-12-31', '3.00', 1, 'EUR', 'K004');
