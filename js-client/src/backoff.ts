/** How long to wait, in milliseconds, after so many failures in a row. */
export type Delay = (failures: number) => number;

/**
 * Full jitter that grows up to `greatest`. After the first failure it starts at 0, after later ones at `least`: that bounds
 * the attempts of one client whatever the dice say.
 */
export const fullJitter =
  (least: number, greatest: number): Delay =>
  (failures) =>
    (failures && least) + Math.random() * Math.min(greatest, least * 2 ** failures);
