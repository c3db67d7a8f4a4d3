/**
 * How long to wait, in milliseconds, after so many failures in a row: full jitter that grows up to `greatest`. After the
 * first failure it starts at 0, after later ones at `least`: that bounds the attempts of one client whatever the dice say.
 */
export const fullJitter = (failures: number, least: number, greatest: number): number =>
  (failures && least) + Math.random() * Math.min(greatest, least * 2 ** failures);
