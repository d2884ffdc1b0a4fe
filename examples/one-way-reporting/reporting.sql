-- What its analysts look at: other names, no secrets, only what is finished. No foreign keys: of a rental that has
-- ended, the bike may be retired by now.

create schema report;

create table report.place (
  id integer primary key,
  name text not null,
  city text not null
);

create table report.price (
  code text primary key,
  cents_per_minute integer not null,
  currency text not null
);

create table report.fleet (
  id integer primary key,
  model text not null,
  in_service_since date not null
);

create table report.fitting (
  bike_id integer,
  part text,
  fitted_on date not null,
  primary key (bike_id, part)
);

create table report.rider (
  id uuid primary key,
  year_of_birth integer not null,
  country text not null
);

create table report.ride (
  id bigint primary key,
  bike_id integer not null,
  rider_id uuid,
  price_code text not null,
  place_id integer,
  ended_at timestamptz not null,
  minutes integer not null
);

create table report.revenue (
  payment_id bigint primary key,
  ride_id bigint not null,
  amount numeric(10, 2) not null
);

create table report.maintenance (
  id bigint primary key,
  bike_id integer not null,
  cost numeric(10, 2) not null
);
