-- Run by psql in the image, once, when the data is made. The books' owner is no administrator: it needs no more than its own database.
\getenv password TRIBUTARY_PASSWORD
CREATE ROLE tributary LOGIN PASSWORD :'password';
CREATE DATABASE tributary OWNER tributary;
