-- The main database: it gives people the ids that all know them by.

create table people (
  id bigint generated always as identity (start with 1001) primary key,
  name text not null,
  phone text,
  photo text
);
