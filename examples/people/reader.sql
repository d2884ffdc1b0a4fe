-- What each reader has: the people of all offices, under the ids of the main database.

create table people (
  id bigint primary key,
  name text not null,
  phone text,
  photo text
);
