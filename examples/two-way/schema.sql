-- What each of the two offices has. Keys are uuids, so that rows which both make never share one.

create table customer (
  id uuid primary key default gen_random_uuid(),
  name text not null,
  phone text
);

create table project (
  id uuid primary key default gen_random_uuid(),
  customer_id uuid not null references customer,
  title text not null,
  budget numeric(12, 2)
);

create table task (
  id uuid primary key default gen_random_uuid(),
  project_id uuid not null references project,
  title text not null,
  done boolean not null default false
);

create table worked (
  task_id uuid references task,
  day date,
  hours numeric(4, 2) not null,
  primary key (task_id, day)
);
