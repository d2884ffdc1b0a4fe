-- What is there before SNK starts.

insert into station values
  (1, 'Harbour', 'Bergen', '4711'),
  (2, 'Theatre', 'Bergen', '0815'),
  (3, 'Old Town', 'Turku', '1234');

insert into tariff values ('day', 15), ('night', 9);

insert into bike values
  (1, 1, 'Swift', '2024-03-01', null),
  (2, 1, 'Swift', '2024-03-01', null),
  (3, 3, 'Cargo', '2025-06-15', null),
  (4, null, 'Classic', '2019-05-20', '2025-01-31');

insert into bike_part values
  (1, 'lamp', '2024-03-01'),
  (1, 'lock', '2025-02-11'),
  (3, 'box', '2025-06-15');

insert into customer values
  ('00000000-0000-4000-8000-000000000001', 'Ada Berg', 'ada@example.com', '1990-12-10', 'NO'),
  ('00000000-0000-4000-8000-000000000002', 'Bo Lund', 'bo@example.com', '1985-04-01', 'FI');

insert into rental (id, bike_id, customer_id, tariff_id, started_at, ended_at, end_station_id) values
  (1, 1, '00000000-0000-4000-8000-000000000001', 'day', '2026-11-02 08:00Z', '2026-11-02 08:21Z', 2),
  (2, 3, '00000000-0000-4000-8000-000000000002', 'night', '2026-11-02 23:10Z', '2026-11-02 23:50Z', 3),
  (3, 2, '00000000-0000-4000-8000-000000000001', 'day', '2026-11-03 08:00Z', null, null);

insert into payment (id, rental_id, amount, state, card_number) values
  (1, 1, 3.15, 'paid', '4111 1111 1111 1111'),
  (2, 2, 3.60, 'paid', '5500 0000 0000 0004');

insert into repair (id, bike_id, cost, closed_at, note) values
  (1, 4, 80, '2025-01-30 16:00Z', 'frame is broken'),
  (2, 1, 0, '2026-10-01 12:00Z', 'bell was loose'),
  (3, 3, null, null, 'box rattles');
