// The page works without this. With it a form is sent once, long texts are saved while they are written, and what is
// wrong is read out at once.
"use strict";
(function () {
  var PAUSE = 1500; // milliseconds without a keystroke until a draft is saved
  var summary = document.getElementById("summary");
  if (summary) summary.focus();
  var form = document.querySelector("form");
  if (!form) return;
  var sent = false;
  form.addEventListener("submit", function (event) {
    if (sent) event.preventDefault();
    sent = true;
  });
  window.addEventListener("pageshow", function () { sent = false; });
  var text = form.querySelector("textarea");
  var left = document.getElementById("left");
  if (!text || !left) return;
  var timer = 0;
  var count = function () { return text.maxLength - text.value.length; };
  var tell = function (saved) {
    left.textContent = (saved ? left.dataset.saved + " · " : "") + count() + " " + left.dataset.left;
  };
  var save = function () {
    if (sent || !text.value.trim()) return;
    var body = new URLSearchParams(new FormData(form));
    body.set("quiet", "1");
    // Whatever is sent later has a higher number, so a slow draft never takes its place.
    form.elements.sequence.value = String(Number(form.elements.sequence.value) + 1);
    fetch(form.action, { method: "POST", body: body, credentials: "same-origin", redirect: "error" })
      .then(function (answer) { if (answer.ok) tell(true); })
      .catch(function () { /* it is sent with the form */ });
  };
  text.addEventListener("input", function () {
    if (count() < 500) tell(false); else left.textContent = "";
    clearTimeout(timer);
    timer = setTimeout(save, PAUSE);
  });
})();
