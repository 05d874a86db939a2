/** One place where the catalogue departs from the tenant wall (law 2). */
export interface Finding {
  /** Stable name of the rule that is broken. */
  readonly rule: string;
  /** The object, qualified by its schema. */
  readonly object: string;
  readonly detail: string;
}

/** Runs one statement on the database that is walked, under a role that can read the whole catalogue. */
export type CatalogueQuery = <Row extends object>(text: string, values?: unknown[]) => Promise<Row[]>;
