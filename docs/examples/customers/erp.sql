CREATE TABLE customer (customer_no INTEGER PRIMARY KEY, customer_name TEXT, tax_id TEXT, payment_terms TEXT);
CREATE TABLE address (
    address_no INTEGER PRIMARY KEY, customer_no INTEGER NOT NULL REFERENCES customer ON DELETE CASCADE,
    usage TEXT NOT NULL, street TEXT, zip TEXT, city TEXT, country TEXT,
    UNIQUE (customer_no, usage)
);
INSERT INTO customer VALUES
    (501, 'Nordlicht GmbH', 'DE811111111', 'N30'),
    (502, 'Okafor Boats Ltd', 'IE6388047V', 'N14');
INSERT INTO address VALUES
    (1, 501, 'BILL_TO', 'Elbchaussee 7', '22765', 'Hamburg', 'DE'),
    (2, 501, 'SHIP_TO', 'Kai 3', '20457', 'Hamburg', 'DE'),
    (3, 502, 'BILL_TO', '1 Quay Street', 'H91', 'Galway', 'IE');
