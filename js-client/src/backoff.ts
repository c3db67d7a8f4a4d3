/** How long to wait, in milliseconds, after so many failures in a row. */
export type Delay = (failures: number) => number;

/**
 * Full jitter, with a floor: the first retry comes within `least` and later ones not sooner than `least` after the attempt
 * before, which bounds the attempts of one client whatever the dice say.
 */
export function fullJitter(least: number, greatest: number, random: () => number = Math.random): Delay {
  return (failures) => {
    const floor = failures && least;
    return floor + random() * (Math.min(greatest, least * 2 ** failures) - floor);
  };
}
