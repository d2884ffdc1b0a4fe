-- What each office has. Its ids are its own: person 1 of one office is not person 1 of another one.

create table person (
  id integer generated always as identity primary key,
  name text not null,
  phone text,
  photo text, -- a file in the office's folder photos
  primary_id bigint, -- the id that the main database has given, written by SNK
  is_sync boolean not null default false -- true while the row, as it is, is safe there; written by SNK
);
