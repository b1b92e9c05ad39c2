CREATE TABLE employee (
    number INTEGER PRIMARY KEY, first TEXT NOT NULL, preferred TEXT, last TEXT NOT NULL, title TEXT, department TEXT,
    site TEXT, country TEXT, boss INTEGER REFERENCES employee, hired DATE, left_on DATE, -- the first day without a job
    email TEXT, phone TEXT -- theirs to read: the directory owns both
);
INSERT INTO employee (number, first, preferred, last, title, department, site, country, boss, hired) VALUES
    (1001, 'Grace', NULL, 'Okafor', 'Head of Sales', 'Sales', 'Berlin', 'DE', NULL, '2019-01-01'),
    (1002, 'Søren', NULL, 'Ito', 'Account Manager', 'Sales', 'Berlin', 'DE', 1001, '2021-05-01'),
    (1003, 'Sara', NULL, 'Ito', 'Engineer', 'Development', 'Graz', 'AT', 1001, '2022-02-01'),
    (1004, 'Robert', 'Bob', 'Čapek', 'Engineer', 'Development', 'Berlin', 'DE', 1003, '2023-09-01');
