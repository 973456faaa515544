// A race on a surface plays its paths: once when it comes into view, unless the reader wants no motion, and on demand.
for (const race of document.querySelectorAll(".race")) {
  const { steps, choices, rates, ways } = JSON.parse(race.dataset.race);
  const find = (selector) => race.querySelector(selector);
  const [controls, play, slider, shown, choice] = [".controls", ".play", "input", "output", "select"].map(find);
  const groups = [...race.querySelectorAll(".way")];
  const racers = [...race.querySelectorAll(".racers button")];
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const perStep = Math.min(450, 9000 / Math.max(steps, 1)); // milliseconds
  let time = steps;
  let begun = null; // when and at which time it was set going; null while it rests

  const show = () => {
    const step = Math.floor(time);
    groups.forEach((group, at) => {
      const label = choices[Number(choice.value)][at];
      const [line, head] = group.children;
      const told = racers[at].querySelector(".height");
      racers[at].querySelector(".rate").textContent = label && rates[label] ? `η ${rates[label]}` : "";
      head.setAttribute("visibility", label ? "visible" : "hidden");
      if (!label) {
        line.setAttribute("points", "");
        told.textContent = Number(choice.value) ? "–" : "diverges";
        return;
      }
      const { at: places, f: heights, off } = ways[label];
      const last = places.length / 2 - 1;
      const whole = Math.min(step, last);
      const trail = places.slice(0, 2 * whole + 2);
      if (whole < last && time > whole) {
        for (const axis of [0, 1]) {
          const from = places[2 * whole + axis];
          trail.push(from + (time - whole) * (places[2 * whole + 2 + axis] - from));
        }
      }
      line.setAttribute("points", trail.join(" "));
      head.setAttribute("cx", trail[trail.length - 2]);
      head.setAttribute("cy", trail[trail.length - 1]);
      told.textContent = off && step >= last ? "diverges" : heights[whole];
    });
    slider.value = step;
    shown.textContent = `step ${step} of ${steps}`;
  };
  const rest = () => {
    begun = null;
    play.textContent = "Play";
  };
  const tick = (now) => {
    if (begun === null) return;
    time = Math.min(steps, begun.time + Math.max(0, now - begun.now) / perStep); // a frame may be older than the click
    if (time === steps) rest();
    show();
    requestAnimationFrame(tick);
  };
  const go = () => {
    begun = { now: performance.now(), time: time === steps ? 0 : time };
    play.textContent = "Pause";
    requestAnimationFrame(tick);
  };

  play.addEventListener("click", () => (begun === null ? go() : rest()));
  slider.addEventListener("input", () => {
    rest();
    time = Number(slider.value);
    show();
  });
  choice.addEventListener("change", show);
  racers.forEach((button, at) =>
    button.addEventListener("click", () => {
      const seen = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", String(seen));
      groups[at].classList.toggle("off", !seen);
    }),
  );
  addEventListener("beforeprint", () => {
    rest();
    time = steps;
    show();
  });
  controls.hidden = false;
  if (!still.matches) {
    const watch = new IntersectionObserver(
      (seen) => {
        if (seen.some((entry) => entry.isIntersecting)) {
          watch.disconnect();
          go();
        }
      },
      { threshold: 0.5 },
    );
    watch.observe(find("svg"));
  }
}
