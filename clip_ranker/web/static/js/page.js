/* What the page at /demo knows, shared by its parts. */

export const $ = (id) => document.getElementById(id);

export const page = {
  photo: null, chosen: 0, // how many photos were chosen: reading a large one takes a while
  sent: null, // the photo of the last run
  board: [], answer: null, running: null,
  said: null, fault: null, copied: null, // functions, so that each can be said in the other language
  drawn: 0, redraw: null, // when the grid was drawn, and the timer that will draw it next
  spoken: 0,
};
