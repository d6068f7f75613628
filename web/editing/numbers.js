// Arithmetic that Python has to do in the same way.

/** To the next whole number, halves upwards. */
export const round = (x) => Math.floor(x + 0.5);

export const clamp = (x, least, most) => (x < least ? least : x > most ? most : x);

export const unit = (x) => (x < 0 ? 0 : x > 1 ? 1 : x);
