/** One value as it stands in a dump: text, the text of a JSON document, or bytes. */
export interface StoredValue {
  readonly column: string;
  readonly value: string | Buffer;
}

type Admin = <Row extends object>(text: string) => Promise<Row[]>;

/** Every value of every text, JSON, array and bytea column that the catalogue knows, read as the superuser. */
export async function dumpDatabase(admin: Admin): Promise<StoredValue[]> {
  const columns = await admin<{ table: string; column: string; bytes: boolean }>(
    `select format('%I.%I', n.nspname, c.relname) as table, format('%I', a.attname) as column, t.typname = 'bytea' as bytes
     from pg_class c join pg_namespace n on n.oid = c.relnamespace
       join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
       join pg_type t on t.oid = a.atttypid
     where c.relkind in ('r', 'p') and not c.relispartition
       and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
       and (t.typname in ('text', 'varchar', 'bpchar', 'json', 'jsonb', 'bytea', 'name') or t.typcategory = 'A')
     order by 1, 2`,
  );
  const values: StoredValue[] = [];
  for (const { table, column, bytes } of columns) {
    const read = bytes ? column : `to_jsonb(${column})::text`;
    const rows = await admin<{ value: string | Buffer }>(
      `select distinct ${read} as value from ${table} where ${column} is not null`,
    );
    for (const { value } of rows) values.push({ column: `${table}.${column}`, value });
  }
  return values;
}
