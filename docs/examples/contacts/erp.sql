CREATE TABLE customer (customer_no INTEGER PRIMARY KEY, customer_name TEXT, website TEXT, tax_id TEXT, stage TEXT);
CREATE TABLE contact (
    contact_no INTEGER PRIMARY KEY, first_name TEXT, last_name TEXT, email TEXT UNIQUE, mobile TEXT,
    unsubscribed BOOLEAN DEFAULT 0, customer INTEGER REFERENCES customer
);
INSERT INTO customer VALUES
    (501, 'Nordlicht GmbH', 'nordlicht.example', 'DE811111111', 'customer'),
    (502, 'Okafor Boats Ltd', 'okafor.example', 'IE6388047V', 'opportunity');
INSERT INTO contact VALUES
    (1, 'Ada', 'Ito', 'ada@nordlicht.example', '+49 40 1234567', 0, 501),
    (2, 'Ivan', 'Rossi', 'ivan@okafor.example', NULL, 1, 502);
