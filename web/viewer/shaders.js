// The photo as a surface over its depth, seen by a moved camera.
//
// The formulas are those of `depth/parallax.py`, so that frames made there look as the view does
// here. What a pixel shows is searched as in relief mapping, from near to far, until the line meets
// the surface (Policarpo et al. 2005, "Real-Time Relief Mapping on Arbitrary Polygonal Surfaces",
// section 4).
//
// Depth has 16 bits, the low byte in red and the high one in green. A GPU blends such bytes with
// too few digits, which would make terraces: so it blends them only for a first, cautious look, and
// the shader blends four whole values wherever the surface may be near.

/** One triangle over everything; `place` is from 0 to 1, y downwards. */
export const VERTEX = `#version 300 es
out vec2 place;
void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0;
  place = vec2(corner.x + 1.0, 1.0 - corner.y) / 2.0;
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

export const FRAGMENT = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;

uniform sampler2D depth;        // of the surface
uniform sampler2D behindDepth;  // of what lies behind its near things
uniform sampler2D behindPhoto;  // its colour, alpha 0 where the photo itself shows it
uniform sampler2D behindAfter;
uniform sampler2D photo;
uniform sampler2D after;        // another photo over the same depth, right of the split
uniform bool hasPhoto;
uniform float split;            // 0..1 across the view; 1 shows the photo alone
uniform vec2 size;              // of the depth map, in pixels
uniform vec2 across;            // by which part of it depth 1 moves
uniform float zoom;             // and by which part of its distance from the middle
uniform float lens;             // how many times the lens enlarges everything
uniform float plane;            // the depth that stands still
uniform float nearest;          // the map's largest depth
uniform int steps;
uniform float cut;              // stretched more than that many times, a surface is torn
uniform bool showHoles;
uniform float eye;              // half of what two eyes are apart; below 0 crossed
uniform int show;               // 0: one eye, 1: red and cyan, 2: side by side
uniform float detail;           // the photo's mipmap for the view's size
in vec2 place;
out vec4 colour;

const int BISECTIONS = 6;
const float CAUTION = 1.0 / 64.0; // more than hardware errs when it blends the two bytes
const vec2 BYTES = vec2(255.0, 65280.0) / 65535.0;

// What each eye's view gives to red, green and blue for red and cyan glasses, in linear light:
// Dubois 2009, "Conversion of a Stereo Pair to Anaglyph with the Least-Squares Projection Method".
const mat3 RED_GLASS = transpose(
  mat3(0.437, 0.449, 0.164, -0.062, -0.062, -0.024, -0.048, -0.050, -0.017)
);
const mat3 CYAN_GLASS = transpose(
  mat3(-0.011, -0.032, -0.007, 0.377, 0.761, 0.009, -0.026, -0.093, 1.234)
);

float texel(sampler2D map, ivec2 at) {
  return dot(texelFetch(map, clamp(at, ivec2(0), textureSize(map, 0) - 1), 0).rg, BYTES);
}

/** Depth, and by how much it grows to the right and down within a pixel. */
vec3 reliefAt(sampler2D map, vec2 at) {
  vec2 pixel = at * vec2(textureSize(map, 0)) - 0.5;
  ivec2 corner = ivec2(floor(pixel));
  vec2 part = pixel - vec2(corner);
  vec2 upper = vec2(texel(map, corner), texel(map, corner + ivec2(1, 0)));
  vec2 lower = vec2(texel(map, corner + ivec2(0, 1)), texel(map, corner + ivec2(1, 1)));
  vec2 sides = mix(upper, lower, part.y);
  vec2 falls = lower - upper;
  return vec3(mix(sides.x, sides.y, part.x), sides.y - sides.x, mix(falls.x, falls.y, part.x));
}

float depthAt(sampler2D map, vec2 at) {
  return reliefAt(map, at).x;
}

vec2 source(vec2 at, vec2 move, float d) {
  return 0.5 + ((at - 0.5) / lens - move * (d - plane)) / max(1.0 + zoom * d, 0.05);
}

bool hovers(sampler2D map, vec2 at, vec2 move, float d) {
  vec2 from = source(at, move, d);
  float roughly = dot(textureLod(map, from, 0.0).rg, BYTES);
  return roughly < d - CAUTION || depthAt(map, from) < d;
}

float meet(sampler2D map, vec2 at, vec2 move) {
  float step = nearest / float(steps);
  float above = nearest, below = 0.0;
  for (int i = steps; i >= 0; i--) {
    below = float(i) * step;
    if (!hovers(map, at, move, below)) break;
    above = below;
  }
  for (int i = 0; i < BISECTIONS; i++) {
    float between = (above + below) / 2.0;
    if (hovers(map, at, move, between)) above = between; else below = between;
  }
  return (above + below) / 2.0;
}

/** How far apart neighbours come to lie, in their own distance. */
float stretch(vec2 at, vec2 move) {
  vec2 apart = (move + zoom * (at - 0.5)) * size * reliefAt(depth, at).yz;
  return 1.0 + max(apart.x, 0.0) + max(apart.y, 0.0);
}

vec4 painted(vec2 at, bool isAfter) {
  if (isAfter) return vec4(textureLod(after, at, detail).rgb, 1.0);
  if (hasPhoto) return vec4(textureLod(photo, at, detail).rgb, 1.0);
  return vec4(vec3(0.1 + 0.9 * depthAt(depth, at)), 1.0);
}

vec4 seen(vec2 at, vec2 move) {
  bool isAfter = at.x > split;
  float d = meet(depth, at, move);
  vec2 from = source(at, move, d);
  vec4 surface = painted(from, isAfter);
  float torn = smoothstep(cut, cut * 1.25, stretch(from, move));
  if (torn == 0.0) return surface;
  if (showHoles) return vec4(0.0);
  vec2 behind = source(at, move, meet(behindDepth, at, move));
  vec4 filling = textureLod(behindPhoto, behind, 0.0);
  if (isAfter) filling = textureLod(behindAfter, behind, 0.0);
  vec4 filled = vec4(mix(painted(behind, isAfter).rgb, filling.rgb, filling.a), 1.0);
  return mix(surface, filled, torn);
}

vec3 linear(vec3 light) {
  vec3 bright = pow((light + 0.055) / 1.055, vec3(2.4));
  return mix(bright, light / 12.92, lessThanEqual(light, vec3(0.04045)));
}

vec3 encoded(vec3 light) {
  vec3 bright = 1.055 * pow(light, vec3(1.0 / 2.4)) - 0.055;
  return mix(bright, light * 12.92, lessThanEqual(light, vec3(0.0031308)));
}

void main() {
  vec2 apart = vec2(eye, 0.0);
  if (show == 0) {
    colour = seen(place, across);
  } else if (show == 1) {
    vec4 left = seen(place, across + apart);
    vec4 right = seen(place, across - apart);
    vec3 light = RED_GLASS * linear(left.rgb) + CYAN_GLASS * linear(right.rgb);
    float cover = max(left.a, right.a);
    colour = vec4(encoded(clamp(light, 0.0, 1.0)) * cover, cover);
  } else {
    vec2 at = vec2(fract(place.x * 2.0), place.y);
    colour = seen(at, across + (place.x < 0.5 ? apart : -apart));
  }
}`;
