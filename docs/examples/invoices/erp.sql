CREATE TABLE customer (customer_no INTEGER PRIMARY KEY, name TEXT, vat TEXT);
CREATE TABLE invoice (
    number TEXT PRIMARY KEY, customer_no INTEGER REFERENCES customer, posted DATE, total TEXT, currency TEXT,
    docstatus INTEGER NOT NULL, return_against TEXT REFERENCES invoice, changed INTEGER
);
INSERT INTO customer VALUES (1001, 'Nordlicht GmbH', 'DE811111111'), (1002, 'Okafor Boats Ltd', 'IE6388047V');
INSERT INTO invoice VALUES
    ('R-2026-001', 1001, '2026-10-01', '1190.00', 'EUR', 1, NULL, 1),
    ('R-2026-002', 1002, '2026-10-05', '99999999999999.99', 'EUR', 1, NULL, 2),
    ('R-2026-003', 1001, '2026-10-07', '-119.00', 'EUR', 1, 'R-2026-001', 3),
    ('R-2026-004', 1002, '2026-11-20', '10.00', 'EUR', 0, NULL, 4);
