//! A layered drawing of one directed graph without cycles: where its boxes stand and how its arrows run.
//!
//! After Sugiyama, Tagawa and Toda (1981): ranks by longest path, fewer crossings by barycentre sweeps, then each rank
//! is pulled towards its neighbours as far as its order allows (least squares by pooling adjacent violators). Knows
//! nothing of pipelines: boxes in, places out, in pixels.

/// Boxes and arrows between them.
#[derive(Debug, Default)]
pub(super) struct Picture {
    /// Width and height of each box.
    pub boxes: Vec<(f64, f64)>,
    /// From box, to box; no circles.
    pub arrows: Vec<(usize, usize)>,
}

/// Where everything goes.
#[derive(Default)]
pub(super) struct Layout {
    /// Left and top of each box.
    pub places: Vec<(f64, f64)>,
    /// The course of each arrow.
    pub courses: Vec<Vec<Step>>,
    pub width: f64,
    pub height: f64,
}

/// A step of an arrow's course.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    Start(f64, f64),
    Line(f64, f64),
    /// A curve that leaves and arrives vertically.
    Curve(f64, f64),
}

/// Between boxes of one rank.
const BESIDE: f64 = 26.0;
/// Between an arrow that passes a rank and its neighbours.
const PASSING: f64 = 16.0;
/// Between ranks.
const BETWEEN: f64 = 38.0;
/// Boxes without arrows stand in rows of about this width.
const ROW: f64 = 900.0;

/// Something that takes room in a rank: a box, or an arrow on its way to a later rank.
struct Vertex {
    width: f64,
    real: bool,
    rank: usize,
}

struct Ranks {
    vertices: Vec<Vertex>,
    /// Order in each rank.
    ranks: Vec<Vec<usize>>,
    /// Neighbours in the rank before and after.
    above: Vec<Vec<usize>>,
    below: Vec<Vec<usize>>,
    /// The vertices that each arrow goes through.
    chains: Vec<Vec<usize>>,
}

/// Finds a place for everything.
pub(super) fn layout(picture: &Picture) -> Layout {
    let linked = linked(picture);
    let mut ranks = Ranks::new(picture, &linked);
    ranks.untangle();
    let centres = ranks.centres();
    let mut layout = ranks.place(picture, &centres);
    put_loose(picture, &linked, &mut layout);
    layout
}

fn linked(picture: &Picture) -> Vec<bool> {
    let mut linked = vec![false; picture.boxes.len()];
    for (from, to) in &picture.arrows {
        (linked[*from], linked[*to]) = (true, true);
    }
    linked
}

/// The longest path to each box; then a box without incoming arrows goes as far down as it can, so that its arrows
/// are short.
fn ranks_of(picture: &Picture) -> Vec<usize> {
    let n = picture.boxes.len();
    let (mut after, mut waits) = (vec![Vec::new(); n], vec![0; n]);
    for (from, to) in &picture.arrows {
        after[*from].push(*to);
        waits[*to] += 1;
    }
    let first: Vec<bool> = waits.iter().map(|w| *w == 0).collect();
    let mut rank = vec![0; n];
    let mut ready: Vec<usize> = (0..n).filter(|i| first[*i]).collect();
    while let Some(i) = ready.pop() {
        for to in &after[i] {
            rank[*to] = rank[*to].max(rank[i] + 1);
            waits[*to] -= 1;
            if waits[*to] == 0 {
                ready.push(*to);
            }
        }
    }
    for i in (0..n).filter(|i| first[*i]) {
        if let Some(next) = after[i].iter().map(|to| rank[*to]).min() {
            rank[i] = next - 1;
        }
    }
    rank
}

impl Ranks {
    fn new(picture: &Picture, linked: &[bool]) -> Self {
        let rank = ranks_of(picture);
        let mut it =
            Ranks { vertices: Vec::new(), ranks: Vec::new(), above: Vec::new(), below: Vec::new(), chains: Vec::new() };
        for (i, (width, _)) in picture.boxes.iter().enumerate() {
            let v = it.vertex(*width, true, rank[i]);
            if linked[i] {
                it.enter(v);
            }
        }
        for (from, to) in &picture.arrows {
            let mut chain = vec![*from];
            for rank in rank[*from] + 1..rank[*to] {
                let v = it.vertex(0.0, false, rank);
                it.enter(v);
                chain.push(v);
            }
            chain.push(*to);
            for pair in chain.windows(2) {
                it.below[pair[0]].push(pair[1]);
                it.above[pair[1]].push(pair[0]);
            }
            it.chains.push(chain);
        }
        it
    }

    fn vertex(&mut self, width: f64, real: bool, rank: usize) -> usize {
        self.vertices.push(Vertex { width, real, rank });
        self.above.push(Vec::new());
        self.below.push(Vec::new());
        self.vertices.len() - 1
    }

    fn enter(&mut self, v: usize) {
        let rank = self.vertices[v].rank;
        if self.ranks.len() <= rank {
            self.ranks.resize_with(rank + 1, Vec::new);
        }
        self.ranks[rank].push(v);
    }

    fn positions(&self) -> Vec<usize> {
        let mut at = vec![0; self.vertices.len()];
        for rank in &self.ranks {
            rank.iter().enumerate().for_each(|(i, v)| at[*v] = i);
        }
        at
    }

    /// Sweeps down and up until nothing gets better; the best order seen is kept.
    fn untangle(&mut self) {
        const SWEEPS: usize = 24;
        let mut best = (self.crossings(), self.ranks.clone());
        let mut idle = 0;
        for sweep in 0..SWEEPS {
            if best.0 == 0 || idle == 6 {
                break;
            }
            self.sweep(sweep % 2 == 0);
            if self.vertices.len() < 2000 {
                self.swap_neighbours();
            }
            let crossings = self.crossings();
            idle += 1;
            if crossings < best.0 {
                best = (crossings, self.ranks.clone());
                idle = 0;
            }
        }
        self.ranks = best.1;
    }

    fn sweep(&mut self, down: bool) {
        let n = self.ranks.len();
        for step in 1..n {
            let r = if down { step } else { n - 1 - step };
            let at = self.positions();
            let near = if down { &self.above } else { &self.below };
            let centre = |v: usize| match near[v].as_slice() {
                [] => at[v] as f64,
                near => near.iter().map(|u| at[*u] as f64).sum::<f64>() / near.len() as f64,
            };
            let mut keyed: Vec<(f64, usize)> = self.ranks[r].iter().map(|v| (centre(*v), *v)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            self.ranks[r] = keyed.into_iter().map(|(_, v)| v).collect();
        }
    }

    /// Swaps neighbours wherever that saves crossings.
    fn swap_neighbours(&mut self) {
        let mut at = self.positions();
        for r in 0..self.ranks.len() {
            for i in 1..self.ranks[r].len() {
                let (a, b) = (self.ranks[r][i - 1], self.ranks[r][i]);
                let cost = |a: usize, b: usize| {
                    let crossed = |near: &[Vec<usize>]| -> usize {
                        near[a].iter().map(|x| near[b].iter().filter(|y| at[**y] < at[*x]).count()).sum()
                    };
                    crossed(&self.above) + crossed(&self.below)
                };
                if cost(b, a) < cost(a, b) {
                    self.ranks[r].swap(i - 1, i);
                    (at[a], at[b]) = (i, i - 1);
                }
            }
        }
    }

    /// Pairs of arrow pieces that cross, counted between ranks by a Fenwick tree over positions.
    fn crossings(&self) -> usize {
        let at = self.positions();
        let mut total = 0;
        for rank in &self.ranks {
            let mut ends: Vec<usize> = Vec::new();
            for v in rank {
                let mut below: Vec<usize> = self.below[*v].iter().map(|u| at[*u]).collect();
                below.sort_unstable();
                ends.extend(below);
            }
            let size = ends.iter().max().map_or(0, |m| m + 1);
            let mut tree = vec![0usize; size + 1];
            for (seen, end) in ends.iter().enumerate() {
                let (mut i, mut not_right) = (end + 1, 0);
                while i > 0 {
                    not_right += tree[i];
                    i &= i - 1;
                }
                total += seen - not_right;
                let mut i = end + 1;
                while i <= size {
                    tree[i] += 1;
                    i += i & i.wrapping_neg();
                }
            }
        }
        total
    }

    /// The horizontal centre of each vertex.
    fn centres(&self) -> Vec<f64> {
        const ROUNDS: usize = 16;
        let mut x = vec![0.0; self.vertices.len()];
        for rank in &self.ranks {
            let wanted: Vec<(f64, f64)> = rank.iter().map(|_| (0.0, 1.0)).collect();
            self.settle(rank, &wanted, &mut x);
        }
        for round in 0..ROUNDS {
            let n = self.ranks.len();
            let last = round + 2 >= ROUNDS;
            for step in 0..n {
                let r = if round % 2 == 0 { step } else { n - 1 - step };
                let wanted: Vec<(f64, f64)> = self.ranks[r]
                    .iter()
                    .map(|v| {
                        let (up, down) = (&self.above[*v], &self.below[*v]);
                        let near: Vec<usize> = match (last, round % 2 == 0) {
                            (true, _) => up.iter().chain(down).copied().collect(),
                            (false, true) => up.clone(),
                            (false, false) => down.clone(),
                        };
                        if near.is_empty() {
                            return (x[*v], 0.2);
                        }
                        // an arrow on its way stays straight
                        let weight = |u: usize| match (self.vertices[*v].real, self.vertices[u].real) {
                            (false, false) => 8.0,
                            (true, true) => 1.0,
                            _ => 2.0,
                        };
                        let sum: f64 = near.iter().map(|u| weight(*u)).sum();
                        (near.iter().map(|u| weight(*u) * x[*u]).sum::<f64>() / sum, sum)
                    })
                    .collect();
                self.settle(&self.ranks[r], &wanted, &mut x);
            }
        }
        x
    }

    /// Puts one rank as near as possible to where its vertices want to be, in their order and without overlaps.
    fn settle(&self, rank: &[usize], wanted: &[(f64, f64)], x: &mut [f64]) {
        let mut offsets = Vec::with_capacity(rank.len());
        let mut offset = 0.0;
        for (i, v) in rank.iter().enumerate() {
            if let Some(before) = i.checked_sub(1).map(|i| &self.vertices[rank[i]]) {
                let gap = if before.real && self.vertices[*v].real { BESIDE } else { PASSING };
                offset += before.width / 2.0 + gap + self.vertices[*v].width / 2.0;
            }
            offsets.push(offset);
        }
        // blocks of neighbours that touch: mean, weight, how many
        let mut blocks: Vec<(f64, f64, usize)> = Vec::new();
        for ((want, weight), offset) in wanted.iter().zip(&offsets) {
            let mut block = (want - offset, *weight, 1);
            while let Some(before) = blocks.last().copied().filter(|before| before.0 > block.0) {
                let weight = before.1 + block.1;
                block = ((before.0 * before.1 + block.0 * block.1) / weight, weight, before.2 + block.2);
                blocks.pop();
            }
            blocks.push(block);
        }
        let places = blocks.iter().flat_map(|(mean, _, count)| std::iter::repeat_n(*mean, *count));
        for ((v, offset), mean) in rank.iter().zip(&offsets).zip(places) {
            x[*v] = mean + offset;
        }
    }

    fn place(&self, picture: &Picture, centres: &[f64]) -> Layout {
        let all = || self.ranks.iter().flatten();
        let left = all().map(|v| centres[*v] - self.vertices[*v].width / 2.0).fold(f64::INFINITY, f64::min);
        let right = all().map(|v| centres[*v] + self.vertices[*v].width / 2.0).fold(f64::NEG_INFINITY, f64::max);
        let x = |v: usize| centres[v] - left;
        let mut tops = Vec::new();
        let mut y = 0.0;
        for rank in &self.ranks {
            let height =
                rank.iter().filter(|v| self.vertices[**v].real).map(|v| picture.boxes[*v].1).fold(0.0, f64::max);
            tops.push((y, y + height));
            let lean =
                rank.iter().flat_map(|v| self.below[*v].iter().map(|u| (x(*v) - x(*u)).abs())).fold(0.0, f64::max);
            // the further an arrow must go to the side, the more room it gets
            y += height + BETWEEN + (lean / 12.0).min(50.0);
        }
        let mut layout = Layout {
            width: if right > left { right - left } else { 0.0 },
            height: tops.last().map_or(0.0, |(_, bottom)| *bottom),
            ..Layout::default()
        };
        for (i, (width, height)) in picture.boxes.iter().enumerate() {
            let (top, bottom) = tops.get(self.vertices[i].rank).copied().unwrap_or_default();
            layout.places.push((x(i) - width / 2.0, (top + bottom - height) / 2.0));
        }
        let (out, into) = (self.ports(picture, centres, true), self.ports(picture, centres, false));
        for (a, chain) in self.chains.iter().enumerate() {
            let (first, last) = (chain[0], chain[chain.len() - 1]);
            let (from_x, to_x) = (x(first) + out[a], x(last) + into[a]);
            let mut course = vec![Step::Start(from_x, layout.places[first].1 + picture.boxes[first].1)];
            course.push(Step::Line(from_x, tops[self.vertices[first].rank].1));
            for v in &chain[1..chain.len() - 1] {
                let (top, bottom) = tops[self.vertices[*v].rank];
                course.push(Step::Curve(x(*v), top));
                course.push(Step::Line(x(*v), bottom));
            }
            course.push(Step::Curve(to_x, tops[self.vertices[last].rank].0));
            course.push(Step::Line(to_x, layout.places[last].1));
            layout.courses.push(course);
        }
        layout
    }

    /// How far from the middle of its box each arrow begins or ends, so that arrows of one box do not lie on each other.
    fn ports(&self, picture: &Picture, centres: &[f64], out: bool) -> Vec<f64> {
        let mut by_box: Vec<Vec<usize>> = vec![Vec::new(); picture.boxes.len()];
        for (a, (from, to)) in picture.arrows.iter().enumerate() {
            by_box[if out { *from } else { *to }].push(a);
        }
        let mut ports = vec![0.0; picture.arrows.len()];
        for (i, mut arrows) in by_box.into_iter().enumerate() {
            let next = |a: usize| {
                let chain = &self.chains[a];
                centres[if out { chain[1] } else { chain[chain.len() - 2] }]
            };
            arrows.sort_by(|a, b| next(*a).total_cmp(&next(*b)));
            let count = arrows.len() as f64;
            let apart = (picture.boxes[i].0 * 0.7 / count).min(14.0);
            for (k, a) in arrows.into_iter().enumerate() {
                ports[a] = (k as f64 - (count - 1.0) / 2.0) * apart;
            }
        }
        ports
    }
}

/// Boxes without arrows stand in rows under the rest.
fn put_loose(picture: &Picture, linked: &[bool], layout: &mut Layout) {
    let widest = layout.width.max(ROW);
    let (mut x, mut y, mut tall) = (0.0, layout.height, 0.0f64);
    let mut first = true;
    for i in (0..picture.boxes.len()).filter(|i| !linked[*i]) {
        let (width, height) = picture.boxes[i];
        if first && y > 0.0 {
            y += BETWEEN;
        } else if x > 0.0 && x + width > widest {
            (x, y, tall) = (0.0, y + tall + BESIDE, 0.0);
        }
        first = false;
        layout.places[i] = (x, y);
        layout.width = layout.width.max(x + width);
        tall = tall.max(height);
        layout.height = layout.height.max(y + height);
        x += width + BESIDE;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn picture() -> impl Strategy<Value = Picture> {
        (2..25usize).prop_flat_map(|n| {
            let boxes = proptest::collection::vec((30.0..300.0f64, 20.0..200.0f64), n);
            let arrows = proptest::collection::vec((0..n, 0..n), 0..40);
            (boxes, arrows).prop_map(|(boxes, arrows)| {
                let mut arrows: Vec<_> = arrows.into_iter().filter(|(a, b)| a < b).collect();
                arrows.sort_unstable();
                arrows.dedup();
                Picture { boxes, arrows }
            })
        })
    }

    proptest! {
        #[test]
        fn nothing_overlaps_and_arrows_go_down(picture in picture()) {
            let layout = layout(&picture);
            let area = |i: usize| {
                let ((x, y), (w, h)) = (layout.places[i], picture.boxes[i]);
                (x, y, x + w, y + h)
            };
            for i in 0..picture.boxes.len() {
                let (left, top, right, bottom) = area(i);
                prop_assert!(left > -0.01 && top > -0.01 && right < layout.width + 0.01 && bottom < layout.height + 0.01);
                for j in 0..i {
                    let other = area(j);
                    let apart = right <= other.0 + 0.01 || other.2 <= left + 0.01 || bottom <= other.1 + 0.01 || other.3 <= top + 0.01;
                    prop_assert!(apart, "{i} and {j} overlap");
                }
            }
            for ((from, to), course) in picture.arrows.iter().zip(&layout.courses) {
                let ys: Vec<f64> = course.iter().map(|s| match s { Step::Start(_, y) | Step::Line(_, y) | Step::Curve(_, y) => *y }).collect();
                prop_assert!(ys.windows(2).all(|w| w[0] <= w[1] + 0.01));
                prop_assert!((ys[0] - area(*from).3).abs() < 0.01 && (ys[ys.len() - 1] - area(*to).1).abs() < 0.01);
                // straight pieces pass no box but their own
                for pair in course.windows(2) {
                    let (Step::Start(x, y) | Step::Line(x, y) | Step::Curve(x, y)) = pair[0];
                    let Step::Line(_, end) = pair[1] else { continue };
                    for i in (0..picture.boxes.len()).filter(|i| i != from && i != to) {
                        let (left, top, right, bottom) = area(i);
                        prop_assert!(x < left || x > right || end <= top + 0.01 || y >= bottom - 0.01);
                    }
                }
            }
        }

        #[test]
        fn crossings_are_counted_right(picture in picture()) {
            let ranks = Ranks::new(&picture, &linked(&picture));
            let at = ranks.positions();
            let mut slow = 0;
            for rank in &ranks.ranks {
                let pieces: Vec<(usize, usize)> =
                    rank.iter().flat_map(|v| ranks.below[*v].iter().map(|u| (at[*v], at[*u]))).collect();
                for (i, a) in pieces.iter().enumerate() {
                    slow += pieces[..i].iter().filter(|b| (a.0 < b.0 && a.1 > b.1) || (b.0 < a.0 && b.1 > a.1)).count();
                }
            }
            prop_assert_eq!(ranks.crossings(), slow);
        }
    }

    #[test]
    fn a_tangle_that_has_a_flat_drawing_gets_one() {
        let boxes = vec![(50.0, 20.0); 8];
        let arrows = vec![(0, 7), (1, 6), (2, 5), (3, 4)];
        let picture = Picture { boxes, arrows };
        let mut ranks = Ranks::new(&picture, &linked(&picture));
        assert_eq!(ranks.crossings(), 6);
        ranks.untangle();
        assert_eq!(ranks.crossings(), 0);
    }
}
