/** How long a subscriber trusts itself after the last answered nonce, milliseconds: five missed heads. */
export const defaultLeaseMs = 5_000;
/** The server signs a head this often, milliseconds; a lost one is noticed well within the lease. */
export const headIntervalMs = 1_000;
/** Below this a lease would end between two heads. */
export const leaseMsMin = 1_000;
/** Above this "fenced" would take longer than an operator waits for a receipt. */
export const leaseMsMax = 60_000;
/** How much slower a subscriber's clock may run than ours: 1 % is far beyond any quartz. */
export const leaseDriftFactor = 1.01;
/** Time for a decision that was begun within the lease to end, milliseconds. */
export const leaseMarginMs = 250;
