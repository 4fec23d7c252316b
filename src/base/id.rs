//! Typed indices into dense vectors.

use std::marker::PhantomData;
use std::ops::{Index, IndexMut};

/// A typed index: a `u32` that only fits the arena it was made for.
pub trait Id: Copy {
    /// The position in the arena.
    fn index(self) -> usize;
    /// The id of a position; panics beyond `u32::MAX`.
    fn from_index(index: usize) -> Self;
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u32);
        impl Id for $name {
            fn index(self) -> usize {
                self.0 as usize
            }
            fn from_index(index: usize) -> Self {
                Self(u32::try_from(index).expect("more than u32::MAX entries"))
            }
        }
    };
}

id!(
    /// A node of the plan: a task or a map, wherever it stands.
    NodeId
);
id!(
    /// A body of the plan: the root, or the nodes inside a map.
    BodyId
);
id!(
    /// One execution of a node within a run (a task's, or a map's own).
    InstanceId
);
id!(
    /// One expansion of a map within a run: the items of one map instance. Scope 0 is the root, one item.
    ScopeId
);

/// A dense vector indexed by one kind of id.
#[derive(Clone, Debug)]
pub struct Arena<I, T> {
    items: Vec<T>,
    marker: PhantomData<fn(I)>,
}

impl<I: Id, T> Default for Arena<I, T> {
    fn default() -> Self {
        Self { items: Vec::new(), marker: PhantomData }
    }
}

impl<I: Id, T> Arena<I, T> {
    /// Appends an entry and gives its id.
    pub fn push(&mut self, item: T) -> I {
        let id = I::from_index(self.items.len());
        self.items.push(item);
        id
    }
    /// The id that the next `push` will give.
    pub fn next_id(&self) -> I {
        I::from_index(self.items.len())
    }
    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
    /// Entries in order of their ids.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (I, &T)> {
        self.items.iter().enumerate().map(|(i, t)| (I::from_index(i), t))
    }
    /// All ids in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = I> + use<I, T> {
        (0..self.items.len()).map(I::from_index)
    }
    /// The entry, if the id is one of this arena's.
    pub fn get(&self, id: I) -> Option<&T> {
        self.items.get(id.index())
    }
    /// The vector itself.
    pub fn as_slice(&self) -> &[T] {
        &self.items
    }
    /// The vector itself, to grow or shrink it in bulk.
    pub fn as_mut_vec(&mut self) -> &mut Vec<T> {
        &mut self.items
    }
}

impl<I: Id, T> Index<I> for Arena<I, T> {
    type Output = T;
    fn index(&self, id: I) -> &T {
        &self.items[id.index()]
    }
}

impl<I: Id, T> IndexMut<I> for Arena<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.items[id.index()]
    }
}
